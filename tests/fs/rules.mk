# SPDX-License-Identifier: MIT
# Random operations on ext2 by libmaestro and by the host kernel, compared, on 54 geometries: make diff-ext2 OPS=2000 SEED=1.
OPS ?= 1000
SEED ?= 1
ROUNDS ?= 54

build/lib/ext2-ops: tests/fs/ext2-ops.c build/libmaestro.a
	$(say) CC $@
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -O2 -o $@ $< build/libmaestro.a -pthread -ldl

.PHONY: diff-ext2
diff-ext2: build/lib/ext2-ops ## random operations on ext2, here and on the host kernel (OPS= SEED= ROUNDS=)
	$(Q)tests/fs/diff-ext2 $< $(OPS) $(SEED) $(ROUNDS) || [ $$? = 77 ]
