;; Traps on every third datagram that an instance answers.
;; want: 6 replies of "", 2 faults (unreachable)
(module
  (memory (export "memory") 4)
  (global $asked (mut i32) (i32.const 0))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (if (i32.eq (global.get $asked) (i32.const 3)) (then unreachable))
    (i32.const 0)))
