// A stand-in for NVIDIA's driver library: answers what its environment tells it to.
//   FAKE_CUDA_CARDS    "name|major|minor;name|major|minor"   (empty: no GPU)
//   FAKE_CUDA_VERSION  what cuDriverGetVersion says          (default 13000)
//   FAKE_CUDA_STATUS   what cuInit answers                   (default 0)
//   FAKE_CUDA_DOES     "hang" or "crash" in cuInit
// CUDA_VISIBLE_DEVICES is obeyed as the driver does: numbers up to the first that names no GPU.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char* told(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value ? value : otherwise;
}

static int card(int number, char* name, int* major, int* minor) {
  const char* at = told("FAKE_CUDA_CARDS", "");
  for (; number > 0 && at; --number) at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL;
  return at && sscanf(at, "%200[^|]|%d|%d", name, major, minor) == 3;
}

static int visible(int* numbers) {
  char name[256];
  int major, minor, installed = 0, count = 0;
  while (installed < 8 && card(installed, name, &major, &minor)) ++installed;
  const char* chosen = getenv("CUDA_VISIBLE_DEVICES");
  if (!chosen) {
    for (; count < installed; ++count) numbers[count] = count;
    return count;
  }
  while (*chosen && count < 8) {
    char* end;
    long number = strtol(chosen, &end, 10);
    if (end == chosen || number < 0 || number >= installed) break;
    numbers[count++] = (int)number;
    chosen = *end == ',' ? end + 1 : end;
    if (*end && *end != ',') break;
  }
  return count;
}

int cuDriverGetVersion(int* version) { *version = atoi(told("FAKE_CUDA_VERSION", "13000")); return 0; }

int cuInit(unsigned flags) {
  int numbers[8];
  (void)flags;
  if (!strcmp(told("FAKE_CUDA_DOES", ""), "hang")) sleep(600);
  if (!strcmp(told("FAKE_CUDA_DOES", ""), "crash")) { fputs("Xid 79: the GPU has fallen off the bus\n", stderr); abort(); }
  int status = atoi(told("FAKE_CUDA_STATUS", "0"));
  return status ? status : visible(numbers) ? 0 : 100;
}

int cuDeviceGetCount(int* count) { int numbers[8]; *count = visible(numbers); return 0; }
int cuDeviceGet(int* handle, int ordinal) { int numbers[8]; visible(numbers); *handle = numbers[ordinal]; return 0; }

int cuDeviceGetName(char* name, int room, int handle) {
  char found[256];
  int major, minor;
  card(handle, found, &major, &minor);
  snprintf(name, room, "%s", found);
  return 0;
}

int cuDeviceGetPCIBusId(char* name, int room, int handle) { snprintf(name, room, "0000:%02x:00.0", handle + 1); return 0; }
int cuDeviceTotalMem_v2(size_t* bytes, int handle) { (void)handle; *bytes = (size_t)80 << 30; return 0; }

int cuDeviceGetAttribute(int* value, int which, int handle) {
  char name[256];
  int major = 0, minor = 0;
  card(handle, name, &major, &minor);
  *value = which == 75 ? major : which == 76 ? minor : which == 16 ? 132 : which == 97 ? 232448 : which == 38 ? 50 << 20 : 0;
  return 0;
}
