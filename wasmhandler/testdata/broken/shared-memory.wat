;; want: its memory is shared between threads: a handler has no threads
(module
  (memory (export "memory") 4 16 shared)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
