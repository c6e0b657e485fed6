;; want: retort_v1_window: integer divide by zero (in $0)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.div_u (i32.const 1) (i32.const 0)))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
