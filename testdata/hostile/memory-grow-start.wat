;; Grows its memory as far as it goes before its first datagram.
;; want: 8 replies of "\x00\x04\x00\x00"
(module
  (memory (export "memory") 4)
  (func $begin (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))
  (start $begin)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (i32.store (local.get 2) (memory.size))
    (i32.const 4)))
