;; Drops a data segment and traps. An instance without the segment has a fault of another kind.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (data $d "data")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (memory.init $d (i32.const 16) (i32.const 0) (i32.const 4))
    (data.drop $d)
    unreachable))
