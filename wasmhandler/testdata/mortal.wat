;; Starts when the first random byte is below 64. Traps on "u", answers everything else with nothing.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "_initialize")
    (drop (call $random_get (i32.const 16) (i32.const 1)))
    (if (i32.ge_u (i32.load8_u (i32.const 16)) (i32.const 64)) (then unreachable)))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param $len i32) (param i32 i32 i32) (result i32)
    (if (i32.eq (i32.load8_u (local.get $req)) (i32.const 0x75)) (then unreachable))
    (i32.const 0)))
