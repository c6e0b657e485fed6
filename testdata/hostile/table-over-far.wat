;; Has tables of four thousand million elements each.
;; want: refused: its tables have 8589934590 elements to begin with, more than the limit of 65536
(module
  (memory (export "memory") 4)
  (table 0xffffffff funcref)
  (table 0xffffffff funcref)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
