;; Has as much memory to begin with as an instance may have, and writes to its last bytes.
;; want: 8 replies of ""
(module
  (memory (export "memory") 1024)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (i32.store (i32.const 67108860) (i32.const 1))
    (i32.const 0)))
