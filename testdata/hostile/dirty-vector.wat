;; Sets a global variable that is a vector and traps. Answers "dirty" when it finds it set afterwards.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (global $v (mut v128) (v128.const i32x4 1 2 3 4))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (if (v128.any_true (v128.xor (global.get $v) (v128.const i32x4 1 2 3 4)))
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5))))
    (global.set $v (v128.const i32x4 -1 -1 -1 -1))
    unreachable))
