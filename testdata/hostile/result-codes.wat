;; Returns a code that was not there before for each datagram.
;; want: 8 codes
(module
  (memory (export "memory") 4)
  (global $code (mut i32) (i32.const -100))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (global.get $code)
    (global.set $code (i32.mul (global.get $code) (i32.const 3)))))
