# SPDX-License-Identifier: MIT
# maestro-fuse: ext2 images mounted through libmaestro and libfuse 3.
FUSE_CFLAGS := $(shell pkg-config --cflags fuse3 2>/dev/null)
FUSE_LIBS := $(shell pkg-config --libs fuse3 2>/dev/null)
FUSE_HDRS := fuse-frontend/fs_host.h fuse-frontend/options.h
build/maestro-fuse: $(wildcard fuse-frontend/*_host.c) $(FUSE_HDRS) libmaestro/include/maestro.h build/libmaestro.a
	$(say) LD $@
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -Wno-redundant-decls -Wno-undef -O2 $(FUSE_CFLAGS) -o $@ $(filter %.c,$^) build/libmaestro.a $(FUSE_LIBS) -pthread -ldl
# For tests: tools have needs that the sandbox would not let them have.
FUSE_UNCONFINED := $(filter-out fuse-frontend/sandbox_host.c,$(wildcard fuse-frontend/*_host.c)) tests/fuse/unconfined_host.c
define fuse_variant
build/$(1)/maestro-fuse: $(FUSE_UNCONFINED) $(FUSE_HDRS) build/$(1)/libmaestro.o
	$$(say) LD $$@
	$$(Q)$$(CC) $$(HOSTED_HOST_FLAGS) $$(VARIANT_$(1)) -Wno-redundant-decls -Wno-undef $$(FUSE_CFLAGS) -o $$@ $$(filter %.c %.o,$$^) $$(FUSE_LIBS) -pthread -ldl
endef
$(foreach v,debug asan tsan,$(eval $(call fuse_variant,$(v))))
.PHONY: test-fuse
test-fuse: build/maestro-fuse build/maestro-img ## maestro-fuse beside the host's ext2, its confinement, ends of all kinds (SKIP_FUSE=1)
	$(Q)tests/fuse/test-fuse build/maestro-fuse
.PHONY: test-fuse-threads
test-fuse-threads: build/tsan/maestro-fuse build/asan/maestro-fuse build/debug/maestro-fuse ## maestro-fuse, threads=4, several clients: TSan, ASan and UBSan, valgrind (SKIP_FUSE=1)
	$(Q)tests/fuse/test-threads build
.PHONY: bench-fuse
bench-fuse: build/maestro-fuse ## maestro-fuse beside fuse2fs and the loop mount (FILES=, SIZE=, ROUNDS=, ROWS=)
	$(Q)distro/deps bench
	$(Q)tests/bench/fuse build/maestro-fuse
