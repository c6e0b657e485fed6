;; want: its retort_v1_idle is () -> (i32) and must be () -> ()
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "retort_v1_idle") (result i32) (i32.const 0)))
