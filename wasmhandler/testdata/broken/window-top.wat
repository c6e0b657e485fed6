;; want: retort_v1_window: its window is at 0xfffffff0, outside its memory of 262144 bytes
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 0xfffffff0))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
