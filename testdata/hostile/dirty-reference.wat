;; Sets a global variable that is a reference and traps. Answers "dirty" when it finds it set afterwards.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (global $f (mut funcref) (ref.null func))
  (elem declare func $any)
  (func $any)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (if (i32.eqz (ref.is_null (global.get $f)))
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5))))
    (global.set $f (ref.func $any))
    unreachable))
