;; Grows its table and traps. Answers "dirty" when it finds it grown afterwards.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (table $t 4 funcref)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (if (i32.ne (table.size $t) (i32.const 4))
      (then (i64.store (local.get $out) (i64.const 0x7974726964)) (return (i32.const 5))))
    (drop (table.grow $t (ref.null func) (i32.const 1)))
    unreachable))
