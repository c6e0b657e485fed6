;; Divides for ever, and takes square roots: the instructions that keep their unit busy longest.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (local $n i64) (local $x f64)
    (local.set $n (i64.const 0x7fffffffffffffff))
    (local.set $x (f64.const 1e300))
    (loop $next
      (local.set $n (i64.or (i64.div_u (local.get $n) (i64.const 3)) (i64.const 0x7000000000000000)))
      (local.set $n (i64.rem_s (local.get $n) (i64.const 0x7123456789abcdef)))
      (local.set $x (f64.div (f64.sqrt (local.get $x)) (f64.const 1.0000001)))
      (br $next))
    unreachable))
