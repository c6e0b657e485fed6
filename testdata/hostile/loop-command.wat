;; A command handler that loops for ever.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 1)
  (func (export "_start") (loop (br 0))))
