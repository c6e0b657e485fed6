;; Asks for 4 GiB more memory, and for 128 GiB, a thousand times.
;; want: 8 replies of "\x04\x00\x00\x00"
(module
  (memory (export "memory") 4 65536)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (local $times i32)
    (local.set $times (i32.const 1000))
    (loop $again
      (drop (memory.grow (i32.const 65535)))
      (drop (memory.grow (i32.const -1)))
      (drop (memory.grow (i32.const 0x80000000)))
      (br_if $again (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
    (i32.store (local.get 2) (memory.size))
    (i32.const 4)))
