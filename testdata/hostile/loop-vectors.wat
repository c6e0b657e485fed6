;; Loops for ever over vector instructions.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32 i32 i32 i32) (result i32)
    (local $v v128)
    (local.set $v (v128.const f64x2 1e300 1e-300))
    (loop $next
      (local.set $v (f64x2.div (f64x2.sqrt (local.get $v)) (v128.load (local.get $req))))
      (v128.store (i32.const 1024) (i8x16.swizzle (local.get $v) (local.get $v)))
      (br $next))
    unreachable))
