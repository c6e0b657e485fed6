;; Changes its table and traps. Answers "dirty" when it finds it changed afterwards.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (table $t 4 funcref)
  (elem (i32.const 0) $any)
  (func $any)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (if (i32.or (ref.is_null (table.get $t (i32.const 0))) (i32.eqz (ref.is_null (table.get $t (i32.const 1)))))
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5))))
    (table.set $t (i32.const 0) (ref.null func))
    (table.set $t (i32.const 1) (ref.func $any))
    unreachable))
