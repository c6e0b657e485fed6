;; Grows two tables in turn. It answers with the number of elements of both.
;; want: 8 replies of "\xea\xfd\x00\x00"
(module
  (memory (export "memory") 4)
  (table $a 1 funcref)
  (table $b 1 externref)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $more
      (br_if $more
        (i32.or
          (i32.ne (table.grow $a (ref.null func) (i32.const 1000)) (i32.const -1))
          (i32.ne (table.grow $b (ref.null extern) (i32.const 1000)) (i32.const -1)))))
    (i32.store (local.get 2) (i32.add (table.size $a) (table.size $b)))
    (i32.const 4)))
