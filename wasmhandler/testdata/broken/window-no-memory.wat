;; want: retort_v1_window: its window is at 0x10000, outside its memory of 0 bytes
(module
  (memory (export "memory") 0)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
