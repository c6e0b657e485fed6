;; Traps on "u". Answers anything else with "y" when a random byte is below 128, and with "n" otherwise.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply")
    (param $req i32) (param $len i32) (param $out i32) (param $cap i32) (param $meta i32) (result i32)
    (if (i32.eq (i32.load8_u (local.get $req)) (i32.const 0x75)) (then unreachable))
    (drop (call $random_get (i32.const 16) (i32.const 1)))
    (i32.store8 (local.get $out)
      (select (i32.const 0x79) (i32.const 0x6e) (i32.lt_u (i32.load8_u (i32.const 16)) (i32.const 128))))
    (i32.const 1)))
