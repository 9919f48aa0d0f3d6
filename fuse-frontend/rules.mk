# SPDX-License-Identifier: MIT
# maestro-fuse: ext2 images mounted through libmaestro and libfuse 3.
FUSE_CFLAGS := $(shell pkg-config --cflags fuse3 2>/dev/null)
FUSE_LIBS := $(shell pkg-config --libs fuse3 2>/dev/null)
build/maestro-fuse: $(wildcard fuse-frontend/*_host.c) fuse-frontend/fs_host.h libmaestro/include/maestro.h build/libmaestro.a
	$(say) LD $@
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -Wno-redundant-decls -Wno-undef -O2 $(FUSE_CFLAGS) -o $@ $(filter %.c,$^) build/libmaestro.a $(FUSE_LIBS) -pthread -ldl
build/asan/maestro-fuse: $(wildcard fuse-frontend/*_host.c) fuse-frontend/fs_host.h build/asan/libmaestro.o
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) $(VARIANT_asan) -Wno-redundant-decls -Wno-undef $(FUSE_CFLAGS) -o $@ $(filter %.c %.o,$^) $(FUSE_LIBS) -pthread -ldl
.PHONY: test-fuse
test-fuse: build/maestro-fuse ## maestro-fuse against the host kernel's ext2 on the same work
	$(Q)tests/fuse/test-fuse build/maestro-fuse
