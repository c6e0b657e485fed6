;; Has 4 GiB of memory to begin with.
;; want: refused: it needs 4294967296 bytes of memory to begin with, more than the limit of 67108864
(module
  (memory (export "memory") 65536)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
