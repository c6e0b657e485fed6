;; The exported function calls itself.
;; want: 8 faults (depth)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func $reply (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (i32.add
      (call $reply (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4))
      (i32.const 1))))
