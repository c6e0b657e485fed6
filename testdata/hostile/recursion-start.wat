;; Recursion without an end in the start function.
;; want: fault in start: depth
(module
  (memory (export "memory") 4)
  (func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))
  (func $begin (drop (call $deeper)))
  (start $begin)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
