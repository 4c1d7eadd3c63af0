UPDATE runs SET epoch = epoch + 1, owner = :owner, cancel_requested = '', pause_requested = ''
WHERE number = :number AND epoch = :epoch
