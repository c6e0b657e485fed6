;; Has a memory with 64-bit addresses, a feature that handlers are not given.
;; want: refused: 
(module
  (memory (export "memory") i64 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
