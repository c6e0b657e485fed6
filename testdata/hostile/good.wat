;; A good handler, for comparison: it echoes. It has a section of every kind, so that cutting it short and
;; changing its bytes reaches every part of the host that reads modules.
;; want: configure: ok; 8 replies; is_response: 0 of 8; idle: ok; 8 log lines
(module
  (type $step (func (param i32) (result i32)))
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 4 64)
  (table $steps 4 8 funcref)
  (table $spare 1 externref)
  (elem (table $steps) (i32.const 0) func $same $twice)
  (elem $passive func $same)
  (global $asked (mut i32) (i32.const 0))
  (global $wide (mut v128) (v128.const i64x2 1 2))
  (data (i32.const 16) "asked\n")
  (data $spare-data "spare")

  (func $same (type $step) (local.get 0))
  (func $twice (type $step) (i32.mul (local.get 0) (i32.const 2)))

  (func $begin
    (table.init $steps $passive (i32.const 2) (i32.const 0) (i32.const 1))
    (memory.init $spare-data (i32.const 32) (i32.const 0) (i32.const 5))
    (data.drop $spare-data)
    (elem.drop $passive))
  (start $begin)
  (func (export "_initialize") (drop (call $random (i32.const 64) (i32.const 8))))

  (func (export "retort_v1_window") (param $size i32) (result i32)
    (call_indirect $steps (type $step) (i32.const 65536) (i32.const 2)))

  (func (export "retort_v1_configure") (param $ptr i32) (param $len i32) (result i32) (i32.const 0))
  (func (export "retort_v1_idle")
    (global.set $wide (i32x4.add (global.get $wide) (global.get $wide))))
  (func (export "retort_v1_is_response") (param $req i32) (param $len i32) (param $meta i32) (result i32) (i32.const 0))

  (func (export "retort_v1_reply")
    (param $req i32) (param $len i32) (param $out i32) (param $cap i32) (param $meta i32) (result i32)
    (local $i i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (call $log (i32.const 0) (i32.const 16) (i32.const 6))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $len)))
        (i32.store8 (i32.add (local.get $out) (local.get $i))
          (i32.load8_u (i32.add (local.get $req) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (block $odd (block $even
      (br_table $even $odd (i32.and (local.get $len) (i32.const 1))))
      (local.set $i (select (local.get $len) (i32.const 0) (i32.const 1))))
    (if (result i32) (i32.lt_u (local.get $cap) (local.get $len))
      (then (i32.const -1))
      (else (local.get $len)))))
