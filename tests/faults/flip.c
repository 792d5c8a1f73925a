/* A sender with a bad buffer, through MPI's profiling interface (MPI 4.1, chapter 15): loaded with LD_PRELOAD. In each
 * FLIP_EVERY-th large message of the rank numbered FLIP_RANK one bit is not what its owner wrote. */
#include <mpi.h>
#include <stdlib.h>

enum { LARGE = 4096 };

static long number(const char *name) { return getenv(name) ? atol(getenv(name)) : -1; }

static int bad(MPI_Comm comm, long long bytes) {
    static long sent;
    int rank;
    PMPI_Comm_rank(comm, &rank);
    return rank == number("FLIP_RANK") && bytes >= LARGE && ++sent % number("FLIP_EVERY") == 0;
}

/* mpi4py counts in MPI_Count where the library can, others in int. */
#define SEND(name, Number)                                                                                  \
    int name(const void *data, Number count, MPI_Datatype type, int to, int tag, MPI_Comm comm) {           \
        int size, error, flip;                                                                              \
        PMPI_Type_size(type, &size);                                                                        \
        flip = bad(comm, (long long)count * size);                                                          \
        if (flip) ((char *)data)[LARGE / 2] ^= 4;                                                           \
        error = P##name(data, count, type, to, tag, comm);                                                  \
        if (flip) ((char *)data)[LARGE / 2] ^= 4;                                                           \
        return error;                                                                                       \
    }

SEND(MPI_Send, int)
SEND(MPI_Send_c, MPI_Count)
