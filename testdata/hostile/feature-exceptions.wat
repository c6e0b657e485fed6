;; Throws and catches for ever, a feature that handlers are not given.
;; want: refused: 
(module
  (memory (export "memory") 4)
  (tag $t)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again (try (do (throw $t)) (catch $t (br $again))))
    (i32.const 0)))
