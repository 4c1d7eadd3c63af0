UPDATE runs SET epoch = epoch + 1, owner = :owner, cancel_requested = '', state = 'running', finished_at = NULL
WHERE number = :number AND epoch = :epoch
