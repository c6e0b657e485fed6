;; A function calls itself without an end, through a table.
;; want: 8 faults (depth)
(module
  (type $step (func (param i32) (result i32)))
  (memory (export "memory") 4)
  (table 1 funcref)
  (elem (i32.const 0) $deeper)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func $deeper (type $step)
    (i32.add (call_indirect (type $step) (local.get 0) (i32.const 0)) (i32.const 1)))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (call $deeper (i32.const 0))))
