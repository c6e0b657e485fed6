;; Writes to every byte of its memory, the request, the meta block and the room for the reply included.
;; want: 8 replies of "\xff\xff\xff\xff"
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (memory.fill (i32.const 0) (i32.const 0xff) (i32.const 262144))
    (i32.const 4)))
