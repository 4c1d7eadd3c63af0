SELECT body FROM graphs WHERE digest = :digest
