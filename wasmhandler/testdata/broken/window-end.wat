;; want: retort_v1_window: its window of 131127 bytes at 0x20000 runs past the end of its memory of 262144 bytes
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 0x20000))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
