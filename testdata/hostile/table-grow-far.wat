;; Asks for four thousand million elements more, in a table that declares to take them: 32 GiB.
;; want: 8 replies of "\n\x00\x00\x00"
(module
  (memory (export "memory") 4)
  (table $t 10 0xffffffff funcref)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (drop (table.grow $t (ref.null func) (i32.const 0xfffffff0)))
    (drop (table.grow $t (ref.null func) (i32.const 0x7fffffff)))
    (drop (table.grow $t (ref.null func) (i32.const 65530)))
    (i32.store (local.get 2) (table.size $t))
    (i32.const 4)))
