# SPDX-License-Identifier: MIT
# maestro-fuse: ext2 images mounted through libmaestro and libfuse 3.
FUSE_CFLAGS := $(shell pkg-config --cflags fuse3 2>/dev/null)
FUSE_LIBS := $(shell pkg-config --libs fuse3 2>/dev/null)
FUSE_HDRS := fuse-frontend/fs_host.h fuse-frontend/options.h
build/maestro-fuse: $(wildcard fuse-frontend/*_host.c) $(FUSE_HDRS) libmaestro/include/maestro.h build/libmaestro.a
	$(say) LD $@
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -Wno-redundant-decls -Wno-undef -O2 $(FUSE_CFLAGS) -o $@ $(filter %.c,$^) build/libmaestro.a $(FUSE_LIBS) -pthread -ldl
build/asan/maestro-fuse: $(wildcard fuse-frontend/*_host.c) $(FUSE_HDRS) build/asan/libmaestro.o
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) $(VARIANT_asan) -Wno-redundant-decls -Wno-undef $(FUSE_CFLAGS) -o $@ $(filter %.c %.o,$^) $(FUSE_LIBS) -pthread -ldl
.PHONY: test-fuse
test-fuse: build/maestro-fuse build/maestro-img ## maestro-fuse beside the host's ext2, its confinement, ends of all kinds (SKIP_FUSE=1)
	$(Q)tests/fuse/test-fuse build/maestro-fuse
.PHONY: bench-fuse
bench-fuse: build/maestro-fuse ## maestro-fuse beside fuse2fs and the loop mount (FILES=, SIZE=, ROUNDS=, ROWS=)
	$(Q)distro/deps bench
	$(Q)tests/bench/fuse build/maestro-fuse
