;; Has one element more in its tables than an instance may have.
;; want: refused: its tables have 65537 elements to begin with, more than the limit of 65536
(module
  (memory (export "memory") 4)
  (table 65536 funcref)
  (table 1 externref)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
