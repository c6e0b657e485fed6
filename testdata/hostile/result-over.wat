;; Says that its reply has one byte more than there is room for.
;; want: 8 faults (result)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32) (param $cap i32) (param i32) (result i32)
    (i32.add (local.get $cap) (i32.const 1))))
