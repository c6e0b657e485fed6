;; want: it does not export memory
(module
  (memory 4)
  (func (export "_start")))
