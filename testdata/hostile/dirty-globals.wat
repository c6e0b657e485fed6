;; Sets its global variables and traps. Answers "dirty" when it finds them set afterwards.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (global $a (mut i32) (i32.const 7))
  (global $b (mut i64) (i64.const -7))
  (global $c (mut f32) (f32.const 0.5))
  (global $d (mut f64) (f64.const -0.0))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (if (i32.or
          (i32.or (i32.ne (global.get $a) (i32.const 7)) (i64.ne (global.get $b) (i64.const -7)))
          (i32.or
            (f32.ne (global.get $c) (f32.const 0.5))
            (i64.ne (i64.reinterpret_f64 (global.get $d)) (i64.reinterpret_f64 (f64.const -0.0)))))
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5))))
    (global.set $a (i32.const -1))
    (global.set $b (i64.const 1))
    (global.set $c (f32.const nan))
    (global.set $d (f64.const nan))
    unreachable))
