;; Has a second memory.
;; want: refused: it has a second memory: a handler has one
(module
  (memory (export "memory") 4)
  (memory 1024)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
