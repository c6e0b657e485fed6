;; Writes over its request and over the meta block, which it must not.
;; want: 8 replies of ""
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param $len i32) (param i32 i32) (param $meta i32) (result i32)
    (memory.fill (local.get $req) (i32.const 0xee) (local.get $len))
    (memory.fill (local.get $meta) (i32.const 0xee) (i32.const 64))
    (i32.const 0)))
