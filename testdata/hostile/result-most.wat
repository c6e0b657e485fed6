;; Says that its reply has 2,147,483,647 bytes.
;; want: 8 faults (result)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0x7fffffff)))
