;; Two functions call each other without an end.
;; want: 8 faults (depth)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func $ping (param i32) (result i32) (i32.add (call $pong (local.get 0)) (i32.const 1)))
  (func $pong (param i32) (result i32) (i32.mul (call $ping (local.get 0)) (i32.const 3)))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (call $ping (i32.const 0))))
