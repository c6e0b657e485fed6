;; Answers with 1, which it takes from a data segment, and drops that.
(module
  (memory (export "memory") 4)
  (data $d "\01")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32) (param $out i32) (param i32 i32) (result i32)
    (memory.init $d (local.get $out) (i32.const 0) (i32.const 1))
    (data.drop $d)
    (i32.const 1)))
