# SPDX-License-Identifier: MIT
# maestro-img: files in ext2 images, on the library.
IMG_SRCS := $(sort $(wildcard libmaestro/tools/*.c))
IMG_OBJS := $(patsubst %.c,build/lib/%.o,$(IMG_SRCS))
$(IMG_OBJS): build/lib/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(HOSTED_HOST_FLAGS) -O2 $(DEPS) -c -o $@ $<
build/maestro-img: $(IMG_OBJS) build/libmaestro.a
	$(say) LD $@
	$(Q)$(CC) -o $@ $(IMG_OBJS) build/libmaestro.a -pthread -ldl

.PHONY: test-img
test-img: build/maestro-img ## maestro-img against debugfs, e2fsck, tar and the host's ext2
	$(Q)tests/img/test-img build/maestro-img
.PHONY: bench-img
bench-img: build/maestro-img build/devroot.ext2 ## maestro-img mkfs -d from an archive beside mke2fs -d from a folder, as an ordinary user (SIZE=, ROUNDS=)
	$(Q)tests/bench/img build/maestro-img build/devroot.ext2
