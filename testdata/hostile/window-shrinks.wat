;; Takes its window back: with each datagram it asks itself for a smaller one, and uses the rest for itself, the place
;; of the reply included. The host goes on with the window that it was given: it is the guest's own loss.
;; want: 8 replies of "mine"
(module
  (memory (export "memory") 4)
  (global $end (mut i32) (i32.const 262144))
  (func $window (export "retort_v1_window") (param $size i32) (result i32)
    (global.set $end (i32.add (i32.const 65536) (local.get $size)))
    (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param $len i32) (param $out i32) (param $cap i32) (param i32) (result i32)
    (drop (call $window (i32.sub (i32.sub (global.get $end) (i32.const 65536)) (i32.const 16384))))
    (memory.fill (global.get $end) (i32.const 0x55) (i32.sub (i32.const 262144) (global.get $end)))
    (i32.store (local.get $out) (i32.const 0x656e696d))
    (i32.const 4)))
