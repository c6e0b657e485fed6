;; Has a page more memory to begin with than an instance may have.
;; want: refused: it needs 67174400 bytes of memory to begin with, more than the limit of 67108864
(module
  (memory (export "memory") 1025)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
