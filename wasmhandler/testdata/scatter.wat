;; The request is a number of places, how many bytes they are apart, and a mark of 24 bytes, which is copied to each of
;; them that its memory has. Answers with the sum of what the first bytes of the places were, so with 0 in a fresh one.
(module
  (memory (export "memory") 300)
  (data (i32.const 16) "pristine")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32) (param $out i32) (param i32 i32) (result i32)
    (local $left i32) (local $apart i32) (local $at i32) (local $found i32)
    (local.set $left (i32.load (local.get $req)))
    (local.set $apart (i32.load offset=4 (local.get $req)))
    (local.set $at (i32.const 262144)) ;; behind the window
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (br_if $done (i32.gt_u (local.get $at) (i32.const 19660000)))
        (local.set $found (i32.add (local.get $found) (i32.load8_u (local.get $at))))
        (memory.copy (local.get $at) (i32.add (local.get $req) (i32.const 8)) (i32.const 24))
        (local.set $at (i32.add (local.get $at) (local.get $apart)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (i32.store8 (local.get $out) (local.get $found))
    (i32.const 1)))
