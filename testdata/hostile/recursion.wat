;; A function calls itself without an end.
;; want: 8 faults (depth)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func $deeper (param i32) (result i32)
    (i32.add (call $deeper (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (call $deeper (i32.const 0))))
