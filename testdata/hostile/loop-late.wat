;; Answers three datagrams, as a self-test would see it, and loops for ever on the fourth.
;; want: 6 replies of "", 2 faults (fuel)
(module
  (memory (export "memory") 4)
  (global $asked (mut i32) (i32.const 0))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (if (i32.eq (global.get $asked) (i32.const 4)) (then (loop (br 0))))
    (i32.const 0)))
