# SPDX-License-Identifier: MIT
# Images: ext2, ext3 and ext4 as others make them, read beside Linux; and damaged ones.
IMAGE_SRCS := $(sort $(wildcard tests/images/*_host.c))
define image_variant
build/$(1)/image: $$(patsubst %.c,build/$(1)/%.o,$$(IMAGE_SRCS)) build/$(1)/libmaestro.o
	$$(say) LD $$@
	$$(Q)$$(CC) $$(VARIANT_$(1)) -o $$@ $$^ -pthread -ldl
endef
$(foreach v,lib debug asan,$(eval $(call image_variant,$(v))))

.PHONY: test-images test-ext4
test-ext4: build/lib/image ## ext3 and ext4 images read as the host's kernel reads them (KINDS=all for all)
	$(Q)tests/images/test-ext4 $< $(KINDS)
test-images: build/asan/image ## the damaged images of e2fsprogs' own tests, under sanitizers (IMAGES="name ...")
	$(Q)tests/images/test-damaged $< $(IMAGES)
